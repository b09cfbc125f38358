DROP TABLE recurring_charges;
