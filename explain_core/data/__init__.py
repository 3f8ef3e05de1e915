"""Pictures: read from files, named for their work, or drawn as phantoms with known lesions."""
