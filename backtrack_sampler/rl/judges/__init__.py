"""What says how good a text is: a model behind an endpoint, a checker, or a formula. `from_config` makes them."""
