"""The method at the level of single images, as published: an image and its description in, a class out."""
