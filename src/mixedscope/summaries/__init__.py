"""What the stored tables of many fits amount to: phases, and the runs of sweeps."""
