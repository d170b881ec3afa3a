"""Making connections, handing them out, and taking them back."""
