"""Long work in processes of its own: kinds, the worker that starts them, and what runs inside them."""
