"""What images/ says: definitions, locks and images published elsewhere."""
