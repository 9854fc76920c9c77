"""Images: data sets and what is done to pictures before training."""
