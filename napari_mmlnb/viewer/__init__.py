"""The napari side: the only folder that knows Qt and napari."""
