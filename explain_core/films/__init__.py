"""The workspace's films: imported without their patients, grouped into exams."""
