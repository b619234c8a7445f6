"""How sharp a minimum is, for any loss of any parameters; how much gradients of images differ."""
