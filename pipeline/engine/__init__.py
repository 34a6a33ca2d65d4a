"""What executes trials: packing, Ray tasks or this very process, retries, failures, progress."""
