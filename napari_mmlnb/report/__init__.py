"""From `RunResult` to files: PDF, JSON, GeoJSON, OME-TIFF; and verifying them."""
