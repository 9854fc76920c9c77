"""The register tile and what is built from it: direct and Winograd convolution, depthwise layers, matrix products."""
