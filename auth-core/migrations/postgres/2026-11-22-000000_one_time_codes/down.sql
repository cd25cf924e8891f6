DROP TABLE auth_links;
DROP TABLE auth_codes;
