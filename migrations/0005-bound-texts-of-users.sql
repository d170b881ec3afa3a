-- What the rules of the record say of a user's texts, said by the table too. An address that is
-- longer could be too long for its index, which is an error without the name of a constraint; and
-- a name that is nothing but white space is none. The white space is the one of 0001, as is the
-- reason to spell it out.
-- depends: 0004-create-raxol-outcomes

alter table users
    add constraint users_email_length check (char_length(email) <= 255),
    add constraint users_name_present check (
        name ~
            '[^\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680'
            '\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]'
    );
