"""From text to the tokens that training opens."""
