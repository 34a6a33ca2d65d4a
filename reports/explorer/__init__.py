"""The interactive figure: everything that it can show, computed beforehand and carried in the page."""
