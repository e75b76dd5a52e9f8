package password

// commonTerms are banned for everyone: what people take when asked for a
// password, in the languages of the product, on its keyboards. Terms of four
// characters and more are also found with one edit. Add words, not passwords:
// "Sandi2026!" falls because of its parts.
var commonTerms = []string{
	// The word itself.
	"password", "passwort", "passphrase", "passw", "sandi", "katasandi", "rahasia", "kunci", "secret",
	"letmein", "login", "masuk", "welcome", "selamat", "changeme", "change", "ganti", "gantikata",
	"default", "temporary", "sementara", "temp", "test", "testing", "coba", "contoh", "example", "sample",
	"admin", "administrator", "root", "user", "pengguna", "guest", "tamu", "master", "super", "operator",
	"office", "kantor", "company", "perusahaan", "helpdesk", "support", "account", "akun", "reset",
	// Rows of keyboards and of the alphabet.
	"qwerty", "qwertyuiop", "qwertz", "azerty", "asdf", "asdfgh", "asdfghjkl", "zxcv", "zxcvbn", "zxcvbnm",
	"qazwsx", "qazwsxedc", "wsxedc", "edcrfv", "poiuyt", "lkjhgf", "mnbvcx", "ytrewq", "fdsa",
	"abcd", "abcde", "abcdef", "abcdefg", "abcdefgh", "wxyz", "aaaa", "xxxx", "zzzz",
	// What people like, wish and swear by.
	"iloveyou", "love", "cinta", "sayang", "sayangku", "kamu", "akusayangkamu", "aku", "forever", "selamanya",
	"bismillah", "alhamdulillah", "allah", "allahuakbar", "insyaallah", "masyaallah", "muhammad", "jesus",
	"yesus", "tuhan", "blessed", "amin", "berkah", "sukses", "success", "bahagia", "happy", "money", "duit",
	"kaya", "lucky", "hoki", "princess", "putri", "prince", "angel", "malaikat", "monkey", "monyet", "dragon",
	"naga", "garuda", "tiger", "macan", "kucing", "anjing", "sunshine", "matahari", "bintang", "bulan",
	"flower", "bunga", "football", "bola", "sepakbola", "badminton", "baseball", "basketball", "soccer",
	"superman", "batman", "spiderman", "pokemon", "naruto", "doraemon", "minecraft", "starwars", "whatever",
	"shadow", "michael", "jordan", "computer", "komputer", "internet", "google", "facebook", "microsoft",
	"windows", "samsung", "iphone", "android", "trustno", "hello", "halo", "freedom", "merdeka",
	// Places, people, times.
	"indonesia", "nusantara", "pancasila", "jakarta", "bandung", "surabaya", "jogja", "yogyakarta", "bali",
	"medan", "makassar", "semarang", "jawa", "sumatra", "sulawesi", "papua", "persib", "persija", "arema",
	"london", "paris", "america", "chelsea", "liverpool", "arsenal", "manchester", "barcelona", "madrid",
	"budi", "siti", "agus", "dewi", "putra", "bapak", "ibuku", "mamah", "ayah", "bunda", "keluarga", "family",
	"january", "february", "march", "april", "june", "july", "august", "september", "october", "november",
	"december", "januari", "februari", "maret", "juni", "juli", "agustus", "oktober", "nopember", "desember",
	"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "senin", "selasa", "rabu",
	"kamis", "jumat", "sabtu", "minggu", "summer", "winter", "spring", "autumn", "musim", "hujan", "kemarau",
}

// exactTerms are found only as written: with one edit, four digits would be
// every number.
var exactTerms = []string{
	"123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "0123456789",
	"987654321", "9876543210", "87654321", "7654321", "654321", "54321", "4321", "321",
	"111111", "000000", "112233", "121212", "123123", "123321", "696969", "777777", "888888", "999999",
	"1q2w3e4r", "1q2w3e", "1qaz2wsx", "q1w2e3r4", "zaq12wsx", "abc123",
	"q1w2e3r4t5y6", "1q2w3e4r5t6y", "a1s2d3f4g5h6", "z1x2c3v4b5n6",
	"1945", "17081945", "1990", "1991", "1992", "1993", "1994", "1995", "1996", "1997", "1998", "1999",
	"2000", "2001", "2002", "2003", "2004", "2005", "2006", "2007", "2008", "2009", "2010", "2011", "2012",
	"2013", "2014", "2015", "2016", "2017", "2018", "2019", "2020", "2021", "2022", "2023", "2024", "2025",
	"2026", "2027", "2028", "2029", "2030",
}
