DROP TABLE notes;
DROP TABLE names;
