"""A folder for each lesson; `_lesson` tells how one is made."""
