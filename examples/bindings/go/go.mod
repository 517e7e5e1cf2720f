module nncf

go 1.19
