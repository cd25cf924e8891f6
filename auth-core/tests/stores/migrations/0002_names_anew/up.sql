CREATE TABLE names_anew (name TEXT PRIMARY KEY, email TEXT);
INSERT INTO names_anew SELECT name, NULL FROM names;
DROP TABLE names;
ALTER TABLE names_anew RENAME TO names;
