"""What every workload is made of: the contract, its values, its records. Knows no workload."""
