"""Reader studies: thoracic surgeons who tell what a lesion is, and what to do, without and with CTC."""
