"""A trained model to the files of a folder or a Hub repository and back, checked."""
