"""Whole networks for one image or one text: the branches of the method at the level of single images."""
