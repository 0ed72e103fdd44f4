"""How well low and high risk are told apart: tables, figures and sentences, from scores and the cohort alone."""
