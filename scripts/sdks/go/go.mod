module partner

go 1.23
