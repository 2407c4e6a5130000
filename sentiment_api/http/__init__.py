"""The HTTP layer around the routes: edge, bodies, admission, reply headers, errors. Keys and limits are in `access`."""
