DROP TABLE auth_factors;
