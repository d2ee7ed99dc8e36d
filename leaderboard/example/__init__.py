"""The example board: made by the documented commands from the packaged demo's runs (`make example-board`)."""
