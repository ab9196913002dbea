module partner

go 1.24
