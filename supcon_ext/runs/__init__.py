"""What has been run here: folders of runs and sweeps found, listed and removed."""
