"""From codes and user vectors to answers: scores, top-n lists, reasons, questions."""
