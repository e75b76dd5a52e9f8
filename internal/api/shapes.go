package api

// What many operations take. The names are exported because the library passes over
// embedded structs that are not, in requests and in the document alike.
type (
	// OrgPath is the organization in the address.
	OrgPath struct {
		Org string `path:"org" doc:"The organization's short name"`
	}
	// PersonPath is a person in the address.
	PersonPath struct {
		OrgPath
		Key string `path:"id" maxLength:"200"`
	}
	// ItemPath is something else in the address that has an identifier of ours.
	ItemPath struct {
		OrgPath
		ID string `path:"id" maxLength:"40"`
	}
	// IfMatch names the version that a change is made to.
	IfMatch struct {
		Tag string `header:"If-Match" doc:"The ETag of the version that is replaced" required:"true"`
	}
)
