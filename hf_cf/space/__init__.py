"""The Space: a model's answers as pages for people and as endpoints for programs."""
