"""Every reader and writer of image files, the grid of a voxel, integrity."""
