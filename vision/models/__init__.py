"""The networks of the paper for small images, each in a file of its own."""
