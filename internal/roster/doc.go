// Package roster owns the lists of directories that belong to somebody else: who
// is there, and what decides whether they may reset. Figures of an organization on
// OpenLDAP or Active Directory count everybody with it, not only those whom Kunci
// has met.
//
// It promises:
//
//   - a list is read only where the organization asks for one (directory.sync), a
//     page at a time, on connections of its own: nobody's sign-in waits for it, and
//     a slow or dead directory keeps no other organization's list;
//   - one pass at a time over an organization, across nodes. A node that dies in a
//     pass leaves the list of before; another one begins again two minutes later;
//   - a pass reads what changed since the last one, and everybody once a day, after
//     the connection was changed, and where the server cannot say what changed. Who
//     has left goes with a pass that read everybody;
//   - a pass that finds nobody where there was somebody is taken for a fault: the
//     list stays;
//   - a list holds no name and no address: the directory's own key, groups and yes
//     or no. Of administrators it keeps the user ID that the organization names.
//
// The reports read it, the console and the command line ask for passes.
package roster
