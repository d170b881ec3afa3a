alter table users
    drop constraint users_name_present,
    drop constraint users_email_length;
