package demo

import (
	_ "embed"
)

var (
	//go:embed assets/contoso.yaml
	organizationFile []byte
	//go:embed assets/people.ndjson
	peopleFile []byte
)

// Password is the password of everyone who has one. It is public, as is
// everything of the demo.
const Password = "teapot harbour violin"

// person is somebody of Contoso. What their situation is and what to try is
// said by the sentences "demo.<id>.situation" and "demo.<id>.try".
type person struct {
	ID            string
	UserID        string
	Name          string
	Email         string // where codes go; empty: none registered
	Phone         string // where texts and calls go; empty: none registered
	Authenticator bool
	Password      bool // whether Password is theirs
	Registered    bool
	Locked        bool
	Console       bool   // whether they are an administrator
	Asks          string // what they wrote to the helpdesk; empty: nothing
}

// people is everyone, in the order in which they are worth meeting.
// assets/people.ndjson says the same to the account import; a test compares them.
var people = []person{
	{ID: "alain", UserID: "alain@contoso.com", Name: "Alain Charon", Email: "alain@example.net", Password: true, Registered: true},
	{ID: "dewi", UserID: "dewi@contoso.com", Name: "Dewi Lestari", Email: "dewi@example.net", Authenticator: true, Password: true, Registered: true, Console: true},
	{ID: "budi", UserID: "budi@contoso.com", Name: "Budi Santoso", Authenticator: true, Password: true, Registered: true},
	{ID: "citra", UserID: "citra@contoso.com", Name: "Citra Kirana", Password: true},
	{ID: "eko", UserID: "eko@contoso.com", Name: "Eko Prasetyo", Email: "eko@example.net", Password: true, Registered: true},
	{ID: "fitri", UserID: "fitri@contoso.com", Name: "Fitri Handayani", Email: "fitri@example.net"},
	{ID: "gilang", UserID: "gilang@contoso.com", Name: "Gilang Ramadhan", Email: "gilang@example.net", Password: true, Registered: true, Locked: true},
	{ID: "joko", UserID: "joko@contoso.com", Name: "Joko Susilo", Phone: "+62 812-3456-7842", Password: true, Registered: true},
	{ID: "hana", UserID: "hana@contoso.com", Name: "Hana Wijaya", Email: "hana@example.net"},
	{ID: "lina", UserID: "lina@contoso.com", Name: "Lina Marlina", Asks: "Saya mulai bekerja hari Senin dan belum bisa masuk. Saya ada di loket tiga."},
	{ID: "adele", UserID: "adele@contoso.com", Name: "Adele Vance", Email: "adele@example.net", Authenticator: true, Password: true, Registered: true, Console: true},
	{ID: "indah", UserID: "indah@contoso.com", Name: "Indah Permata", Email: "indah@example.net", Authenticator: true, Password: true, Registered: true, Console: true},
}
