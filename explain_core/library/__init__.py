"""The library: registered models and manifests of data sets, as a list, as rows, and from a shell."""
