"""What every workload is made of. Knows no workload and no command."""
