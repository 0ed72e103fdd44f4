"""Reader studies: radiologists who tell low from high risk without and with the model."""
