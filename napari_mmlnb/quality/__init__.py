"""How good the picture of a slide is: blur, pen, folds, what cannot be read, and how much tissue is left."""
