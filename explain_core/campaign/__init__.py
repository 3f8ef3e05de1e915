"""Building an annotation campaign: which pictures, their confident adversarial examples, a bundle for the store."""
