"""What tests need and nothing else imports: a virtual clock, scripted endpoints, strategies."""
