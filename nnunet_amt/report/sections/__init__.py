"""The sections of the page: each module makes what one template shows."""
