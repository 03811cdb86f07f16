"""Tables, figures, sentences and the page that holds them."""
