"""How sharp a minimum is: curvature, and the loss around it. For any loss of any parameters."""
