-- Made by make.py with Django 5.2.19. Everybody's password: correct horse battery staple
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL);
INSERT INTO "auth_user" VALUES(1,'pbkdf2_sha256$1000000$H7Mr8w15vc9bQZUIHbqep9$DZmdcq1TUoY93ux0yQpQ3pgmBuGpyEdINSwTInWvOyQ=','2024-05-06 07:08:09.123456',1,'admin','','admin@example.org',1,1,'2020-02-29 12:00:00','');
INSERT INTO "auth_user" VALUES(3,'bcrypt_sha256$$2b$12$pWLJ6GwytRs8i.mWArsWVetLzP6w5z8HtQYim8TVzQ.xvLnloSqmm',NULL,0,'anna','','anna@example.org',0,1,'2021-01-02 03:04:05.600000','');
INSERT INTO "auth_user" VALUES(4,'scrypt$16384$o2Ff75eeaJVU5CYFHZ40ek$8$5$lS8DjCXLeg9/zDROTePSTxttE/ahgXG1UcCkqbD9OREEps5xvINHS8y5kcahHb4irvtp0BqCyLpnzf2kXx2n8w==',NULL,0,'bernd','','bernd@example.org',0,1,'2026-11-21 10:42:06.984020','Bernd');
INSERT INTO "auth_user" VALUES(5,'argon2$argon2id$v=19$m=102400,t=2,p=8$UTB5cGtjVTdRS2w4NTdSVUpWYUFUZw$4Geakb6OKtVshUcQFe+vtsajg0UpyNrvHzcLWpkzZj8',NULL,0,'chloé','','chloé@example.org',1,1,'2026-11-21 10:42:07.109440','');
INSERT INTO "auth_user" VALUES(6,'!zDSPKCMluE1ypmprmZXkHOA59Y83cBizdpgcVEyJ',NULL,0,'dora','','',0,1,'2026-11-21 10:42:07.111194','');
INSERT INTO "auth_user" VALUES(7,'pbkdf2_sha256$1000000$kMlRIf5tUQJpkrmnuerSCS$1TWNmbBoXl/gqyvBkKri9GoYT3f1sza8acenfATQo0k=',NULL,0,'emil','','',0,0,'2026-11-21 10:42:07.353272','');
INSERT INTO "auth_user" VALUES(8,'md5$6naKqWAIQq7EcKWFy0kQeb$0dbc5c1959b5dc822c8f45544b3fff9b',NULL,0,'frida','','',0,1,'2026-11-21 10:42:07.354886','');
UPDATE sqlite_sequence SET seq = 9 WHERE name = 'auth_user';
